"""What the errors of obstore and boto3 mean, and what to do about them."""

from __future__ import annotations

import re
from typing import Any

_CODE = re.compile(r"<Code>\s*(\w+)\s*</Code>")
_MESSAGE = re.compile(r"<Message>\s*([^<]{1,300}?)\s*</Message>")
#: The status of a write while another one of the same key is under way.
CONFLICT = 409
#: Codes of the service, or ours, for an object that does not exist.
ABSENT = ("NoSuchKey", "NotFound")
#: Codes for credentials that were right, until they expired.
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")
# Codes for what may be otherwise in a while; a clock is wrong for a moment when its machine has slept.
_PASSING = ("InternalError", "RequestTimeTooSkewed", "RequestTimeout", "ServiceUnavailable", "SlowDown")
# What obstore's errors say when no answer came, or no credentials from botocore.
_NO_ANSWER = ("HTTP error", "External AWS credential provider")

#: What to do about the services' errors that are the user's to mend.
REMEDIES = {
    "NotFound": "; there seems to be no S3 service, or no such bucket: check the setting endpoint_url and the bucket",
    "NoSuchBucket": "; make the bucket, or correct its name",
    "AccessDenied": "; the credentials in use may not do this: give them the right, or use others (setting profile)",
    "InvalidAccessKeyId": "; use credentials of this service (AWS_ACCESS_KEY_ID, setting profile)",
    "SignatureDoesNotMatch": "; the secret access key is wrong (AWS_SECRET_ACCESS_KEY, setting profile)",
    "ExpiredToken": "; renew the credentials",
    "PermanentRedirect": "; the bucket is in another region: set AWS_REGION to it",
    "AuthorizationHeaderMalformed": "; the bucket is in another region: set AWS_REGION to it",
    "NoCredentialsError": "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the setting profile",
    "ProfileNotFound": "; correct the setting profile",
    "SSLError": "; check the setting endpoint_url: http:// or https://, and whose certificate it has",
    "ReadTimeoutError": "; it does not answer: check the setting endpoint_url",
    "EndpointConnectionError": "; check the setting endpoint_url and the network",
    "ConnectTimeoutError": "; check the setting endpoint_url and the network",
}


def code_of(error: BaseException) -> str:
    """The service's code for an error of obstore, or a code of its own for one without."""
    import obstore

    match = _CODE.search(str(error))
    if match:
        return match[1]
    if isinstance(error, FileNotFoundError | obstore.exceptions.NotFoundError):
        return "NotFound"
    if isinstance(error, obstore.exceptions.PermissionDeniedError | obstore.exceptions.UnauthenticatedError):
        return "AccessDenied"
    return ""


def reason_of(error: BaseException) -> str:
    """What an error of obstore says, without the layers around it."""
    text = str(error)
    match = _MESSAGE.search(text)
    if match:
        return match[1]
    return text.split("\n\n", maxsplit=1)[0].strip()[:300]


def status_of(error: BaseException) -> int:
    """The HTTP status in an error of obstore; 0 if it tells none."""
    match = re.search(r"status(?: code)?:? ?\(?(\d{3})\b", str(error))
    return int(match[1]) if match else 0


def is_behind(error: BaseException) -> bool:
    """Whether the range that was asked for begins behind the object's end."""
    return status_of(error) == 416 or "out of range" in str(error)


def has_expired(error: BaseException) -> bool:
    """Whether obstore's `error` tells of credentials that have expired; the answer to a HEAD has no code."""
    code = code_of(error)
    return code in EXPIRED or (not code and status_of(error) == 400)


def passes(error: BaseException) -> bool:
    """Whether what obstore's `error` tells of may be otherwise in a while."""
    status, text = status_of(error), str(error).split("\n\n", maxsplit=1)[0]
    return code_of(error) in _PASSING or status == 429 or status >= 500 or any(told in text for told in _NO_ANSWER)


def from_boto3(error: Any) -> tuple[str, str]:
    """Code and reason of an error of boto3."""
    response = getattr(error, "response", None)
    if response is None:
        return type(error).__name__, str(error)
    told = response.get("Error", {})
    code = str(told.get("Code", ""))
    return {"404": "NotFound", "403": "AccessDenied"}.get(code, code), str(told.get("Message", ""))


def passes_boto3(error: Any) -> bool:
    """The same for an error of boto3."""
    from botocore.exceptions import CredentialRetrievalError, HTTPClientError, SSOError, TokenRetrievalError

    if isinstance(error, HTTPClientError | CredentialRetrievalError | SSOError | TokenRetrievalError):
        return True
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return from_boto3(error)[0] in _PASSING or status == 429 or status >= 500
