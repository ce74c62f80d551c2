"""What S3 tells of the photos of a snapshot, of each but once: a hundred thousand questions."""

from phenoloop.chain.images import ImageFacts, ImageStore
from phenoloop.chain.s3_errors import s3_errors
from phenoloop.errors import ImageMissing


class PhotoFacts(ImageStore):
    """Leaves patience to the client, which tries again by itself: another round of it costs as much as the answer."""

    def describe(self, uri: str) -> ImageFacts:
        """Raises ImageRefused, ImageMissing, StorageUnavailable."""
        bucket, key = self._location(uri)
        with s3_errors(ImageMissing, uri=uri):
            return self._facts(uri, self._s3.head_object(Bucket=bucket, Key=key))
