# The floor plan: includes point down only, foreign libraries stay behind their files.
. "$ROOT/tests/lib.sh"
check "includes follow the floor plan" sh "$ROOT/tests/layers.sh"
