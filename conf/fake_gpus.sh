#!/bin/sh
# Announces two GPUs that do not exist, to try out on any machine how trials are pinned: each sees
# one of the addresses 0 and 1 in CUDA_VISIBLE_DEVICES, and TensorFlow finds no GPU and uses the CPU.
#
#   spark.worker.resource.gpu.amount           2
#   spark.worker.resource.gpu.discoveryScript  <path of this file>
echo '{"name": "gpu", "addresses": ["0", "1"]}'
