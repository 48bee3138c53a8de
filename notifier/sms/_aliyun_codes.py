"""Alibaba Cloud's SMS error codes by what they ask of the sender (https://help.aliyun.com/document_detail/101347.html).

Codes in none of these tables: with HTTP 5xx, beginning with ``isp.`` or ending in ``SYSTEM_ERROR``, unknown; otherwise never.
"""

from __future__ import annotations

NEVER: dict[str, str] = {
    "isv.MOBILE_NUMBER_ILLEGAL": "invalid_number",
    "isv.MOBILE_COUNT_OVER_LIMIT": "invalid_number",
    "isv.DOMESTIC_NUMBER_NOT_SUPPORTED": "region_not_allowed",
    "isv.BLACK_KEY_CONTROL_LIMIT": "blocked",
    "isv.SMS_CONTENT_ILLEGAL": "filtered_by_carrier",
    "isv.PARAM_LENGTH_LIMIT": "text_too_long",
    "isv.PARAM_NOT_SUPPORT_URL": "filtered_by_carrier",
    "isv.CUSTOMER_REFUSED": "opted_out",
}
"""Nothing will make this message arrive: reason kept with the case."""

ACCOUNT: dict[str, str] = {
    "isv.OUT_OF_SERVICE": "no credit",
    "isv.AMOUNT_NOT_ENOUGH": "no credit",
    "isv.PRODUCT_UN_SUBSCRIPT": "SMS not subscribed",
    "isv.PRODUCT_UNSUBSCRIBE": "SMS not subscribed",
    "isv.ACCOUNT_NOT_EXISTS": "no such account",
    "isv.ACCOUNT_ABNORMAL": "account not active",
    "isv.SMS_TEMPLATE_ILLEGAL": "template not approved",
    "isv.SMS_SIGNATURE_ILLEGAL": "signature not approved",
    "isv.SMS_SIGN_ILLEGAL": "signature not approved",
    "isv.SMS_SIGNATURE_SCENE_ILLEGAL": "signature does not fit the template",
    "isv.TEMPLATE_MISSING_PARAMETERS": "template lacks a parameter",
    "isv.TEMPLATE_PARAMS_ILLEGAL": "template parameter not allowed",
    "isv.INVALID_PARAMETERS": "parameters not valid",
    "isv.INVALID_JSON_PARAM": "parameters not valid",
    "isv.DENY_IP_RANGE": "address of this machine not allowed",
    "isv.EXTEND_CODE_ERROR": "extension code not valid",
    "isp.RAM_PERMISSION_DENY": "access denied",
    "InvalidAccessKeyId.NotFound": "wrong access key",
    "InvalidAccessKeyId.Inactive": "access key not active",
    "SignatureDoesNotMatch": "wrong access key secret",
    "Forbidden.RAM": "access denied",
    "NoPermission": "access denied",
    "InvalidTimeStamp.Expired": "the clock of this machine is wrong",
    "isv.DAY_LIMIT_CONTROL": "daily limit of the account",
    "isv.MONTH_LIMIT_CONTROL": "monthly limit of the account",
}
"""Certainly not sent; a person at the account, or time, can mend it: tried again slowly."""

RETRY: dict[str, str] = {
    "isv.BUSINESS_LIMIT_CONTROL": "too many requests",
    "Throttling": "too many requests",
    "Throttling.User": "too many requests",
    "Throttling.Api": "too many requests",
}
"""Certainly not sent, worth trying again."""

RECEIPTS: dict[str, str] = {
    "MK:0000": "unknown_number",
    "MK:0001": "unknown_number",
    "MK:0005": "not_delivered",
    "BLACK": "blocked",
    "BLACKLIST": "blocked",
    "SIGN_BLACK": "blocked",
    "CUSTOMER_REFUSED": "opted_out",
    "USER_REJECT": "opted_out",
    "KEYWORD": "filtered_by_carrier",
    "CONTENT_KEYWORD": "filtered_by_carrier",
    "CONTENT_ERROR": "filtered_by_carrier",
    "MOBILE_NOT_ON_SERVICE": "unknown_number",
    "MOBILE_SEND_LIMIT": "daily_limit",
    "MOBILE_TERMINAL_ERROR": "unreachable",
    "ROUTE_ERROR": "no_route",
    "EXPIRED": "expired",
    "UNDELIV": "not_delivered",
}
"""Codes of delivery receipts that say more than that it did not arrive."""
