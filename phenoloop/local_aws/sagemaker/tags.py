"""Tags of any resource, by ARN."""

from phenoloop.local_aws.sagemaker.calls import Call, Handler, Reply
from phenoloop.local_aws.sagemaker.errors import ValidationException
from phenoloop.local_aws.sagemaker.store import Store

MAX_TAGS = 50


class Tags:
    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {"AddTags": self.add, "ListTags": self.list, "DeleteTags": self.delete}

    def add(self, call: Call) -> Reply:
        with self._store.transaction():
            arn = self._tagged(call)
            self._store.tag(arn, call["Tags"])
            tags = self._store.tags(arn)
            if len(tags) > MAX_TAGS:
                raise ValidationException(f"A resource has at most {MAX_TAGS} tags.")
        return {"Tags": tags}

    def list(self, call: Call) -> Reply:
        return {"Tags": self._store.tags(self._tagged(call))}

    def delete(self, call: Call) -> Reply:
        self._store.untag(self._tagged(call), call["TagKeys"])
        return {}

    def _tagged(self, call: Call) -> str:
        resource = self._store.find_arn(call["ResourceArn"])
        if resource is None:
            raise ValidationException(f"Could not find resource {call['ResourceArn']}.")
        return resource.arn
