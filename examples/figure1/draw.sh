#!/usr/bin/env bash
# The pictures and tables of figure 1 from the surfaces in this folder, in seconds; from the project's root.
set -euo pipefail
cd "$(dirname "$0")/../.."
landscape=$([ -x .venv/bin/landscape ] && echo .venv/bin/landscape || echo landscape)
here=examples/figure1
names=(--name "with skips" --name "without skips")

# The range and the clip of the 2018 paper.
"$landscape" compare "$here/skip_plane.h5" "$here/noskip_plane.h5" "${names[@]}" --bn frozen --bn recalibrate \
    --layout grid --clip 10 --log -o "$here/figure1.png" --table "$here/planes.csv" > "$here/planes.txt"
"$landscape" compare "$here/skip_plane.h5" "$here/noskip_plane.h5" "${names[@]}" --bn frozen --bn recalibrate \
    --layout grid-3d --clip 10 --log -o "$here/figure1_3d.png" > /dev/null
rm "$here"/figure1*_1d.png
"$landscape" compare "$here/skip_lines.h5" "$here/noskip_lines.h5" "${names[@]}" --split test \
    --log -o "$here/lines_test.png" --table "$here/lines_test.csv" > "$here/lines_test.txt"
"$landscape" compare "$here/skip_lines.h5" "$here/noskip_lines.h5" "${names[@]}" --split train \
    --no-figure --table "$here/lines_train.csv" > "$here/lines_train.txt"
for net in skip noskip; do
    "$landscape" plot "$here/${net}_plane.h5" --metric drift -o "$here/${net}_drift.png"
    "$landscape" check "$here/${net}_plane.h5" > "$here/${net}_check.txt" || true
done
