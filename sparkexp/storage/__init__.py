"""Files and tables on any file system.

::

    from sparkexp import storage

    def train(learning_rate):
        with storage.open('hdfs:///data/labels.txt') as file: ...
        data = storage.dataset('s3://bucket/train', label='price', batch_size=64)
"""

from sparkexp.storage.files import open
from sparkexp.storage.tf_dataset import dataset

__all__ = ["dataset", "open"]
