#!/bin/sh
# The runs of the gallery, from the two LeNets and the images that the package ships: about five minutes on one core.
set -e
cd "$(dirname "$0")/runs"
assets=../../../landscape/assets
plane="--data fashion-mnist-mini --samples 1000 --x=-1:1:25 --y=-1:1:25"
line="--data fashion-mnist-mini --samples 1000 --x=-1:1:41 --y none --repeats 5"
landscape compute --ckpt "$assets/lenet_none.pt" $plane --repeats 3 --out without.h5
landscape compute --ckpt "$assets/lenet_batch.pt" $plane --repeats 3 --bn-stats all --out with.h5
landscape compute --ckpt "$assets/lenet_none.pt" $line --out without_line.h5
landscape compute --ckpt "$assets/lenet_batch.pt" $line --bn-stats all --out with_line.h5
# A loss that is infinite far from the trained weights, and a run that chose its points.
landscape compute --ckpt "$assets/lenet_none.pt" --data fashion-mnist-mini --samples 500 --x=-12:12:25 --y=-10:10:19 \
    --loss underflow.py:loss --out diverging.h5
landscape compute --ckpt "$assets/lenet_none.pt" --data fashion-mnist-mini --samples 500 --x=-1:1:33 --y=-1:1:33 \
    --adaptive 0.02 --out adaptive.h5
