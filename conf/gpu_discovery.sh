#!/bin/sh
# Announces this machine's NVIDIA GPUs to Spark, in one line of JSON, such as
#   {"name": "gpu", "addresses": ["0", "1"]}
#
# For spark.worker.resource.gpu.discoveryScript (standalone: the worker runs it when it starts) and
# spark.executor.resource.gpu.discoveryScript (YARN: the executor runs it, in its container).
# Spark needs it executable, and nobody but its owner should be able to write to it.
#
# Without GPUs, or without nvidia-smi, the list is empty. Spark then refuses to start whatever asks
# for one ("Resource: gpu, with addresses:  is less than what the user requested").
#
# Where CUDA_VISIBLE_DEVICES is set, as a batch system does, the addresses are positions in its
# list, from 0: that is what sparkexp takes them for. To leave a GPU out, set the variable, for
# example to 1,2, for the process that runs this script.
set -u

if [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then
    n=$(printf '%s' "$CUDA_VISIBLE_DEVICES" | tr ',' '\n' | grep -c '[^ ]' || true)
    [ "$CUDA_VISIBLE_DEVICES" = "-1" ] && n=0
    indices=$(awk -v n="$n" 'BEGIN { for (i = 0; i < n; i++) print i }')
else
    # Its messages (no driver, say) go to stderr in some versions and to stdout in others.
    indices=$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null | grep -x '[0-9]*')
fi

addresses=$(printf '%s\n' "$indices" | awk 'NF { printf "%s\"%s\"", sep, $1; sep = ", " }')
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
