#!/usr/bin/env bash
# The surfaces behind figure 1, from the project's root: hours on two cores; a run that is stopped goes on where it was.
#
#   bash examples/figure1/compute.sh [lines|planes|sizes] [skip|noskip]      everything without arguments
#
# It needs the authors' two ResNet-56 (see README.md) and CIFAR-10 under ../shared.
set -euo pipefail
cd "$(dirname "$0")/../.."
landscape=$([ -x .venv/bin/landscape ] && echo .venv/bin/landscape || echo landscape)
here=examples/figure1
shared=../shared
data="$shared/data/cifar10_test.npz(train='cifar10_train_20k.npz')"
train="$shared/data/cifar10_train_20k.npz"

checkpoint() { [ "$1" = skip ] && echo "$shared/checkpoints/li2018_resnet56.t7" || echo "$shared/checkpoints/li2018_resnet56_noshort.t7"; }

lines() {  # eight draws of a line, on test and training images
    "$landscape" compute --ckpt "$(checkpoint "$1")" --data "$data" --split test --split train --samples 1000 \
        --bn-stats all --bn-data "$train(augment='crop4-flip')" --bn-samples 1000 --bn-layers \
        --x=-1,-0.75,-0.5,-0.3,-0.2,-0.1,0,0.1,0.2,0.3,0.5,0.75,1 --y none --repeats 8 --out "$here/$1_lines.h5"
}

planes() {  # the plane of the picture
    "$landscape" compute --ckpt "$(checkpoint "$1")" --data "$data" --samples 500 \
        --bn-stats all --bn-data "$train(augment='crop4-flip')" --bn-samples 500 \
        --x=-1:1:21 --y=-1:1:21 --out "$here/$1_plane.h5"
}

sizes() {  # how much the calibration set matters: its size, and whether it is augmented
    for images in 250 4000; do
        "$landscape" compute --ckpt "$(checkpoint "$1")" --data "$data" --samples 1000 \
            --bn-stats recalibrate --bn-data "$train(augment='crop4-flip')" --bn-samples "$images" \
            --x=-1,-0.5,-0.2,0,0.2,0.5,1 --y none --repeats 3 --out "$here/$1_calibrated_on_$images.h5"
    done
    "$landscape" compute --ckpt "$(checkpoint "$1")" --data "$data" --samples 1000 \
        --bn-stats recalibrate --bn-data "$train" --bn-samples 1000 \
        --x=-1,-0.5,-0.2,0,0.2,0.5,1 --y none --repeats 3 --out "$here/$1_calibrated_plain.h5"
}

for part in ${1:-lines planes sizes}; do
    for net in ${2:-skip noskip}; do
        "$part" "$net"
    done
done
