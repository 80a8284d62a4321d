"""The message definitions of an A2A 1.0 agent card, and a check of a parsed card against them."""

from dataclasses import dataclass
from typing import Any

from .refusal import RecordRefused

__all__ = ["CARD", "check"]


@dataclass(frozen=True, slots=True)
class _Field:
    """A field: `text`, `flag`, `struct` (any JSON object) or another message; listed or mapped or alone."""

    type: str
    required: bool = False
    many: bool = False
    mapped: bool = False
    # Fields with the same choice exclude each other.
    choice: str = ""


def _text(*, required: bool = False) -> _Field:
    return _Field("text", required=required)


def _texts(*, required: bool = False) -> _Field:
    return _Field("text", required=required, many=True)


_NEED, _FLAG, _STRUCT = _text(required=True), _Field("flag"), _Field("struct")
_SCOPES = _Field("text", required=True, mapped=True)
_REQUIREMENTS = _Field("SecurityRequirement", many=True)

CARD = "AgentCard"
_MESSAGES: dict[str, dict[str, _Field]] = {
    CARD: {
        "name": _NEED,
        "description": _NEED,
        "supportedInterfaces": _Field("AgentInterface", required=True, many=True),
        "provider": _Field("AgentProvider"),
        "version": _NEED,
        "documentationUrl": _text(),
        "capabilities": _Field("AgentCapabilities", required=True),
        "securitySchemes": _Field("SecurityScheme", mapped=True),
        "securityRequirements": _REQUIREMENTS,
        "defaultInputModes": _texts(required=True),
        "defaultOutputModes": _texts(required=True),
        "skills": _Field("AgentSkill", required=True, many=True),
        "signatures": _Field("AgentCardSignature", many=True),
        "iconUrl": _text(),
    },
    "AgentInterface": {"url": _NEED, "protocolBinding": _NEED, "tenant": _text(), "protocolVersion": _NEED},
    "AgentProvider": {"url": _NEED, "organization": _NEED},
    "AgentCapabilities": {
        "streaming": _FLAG,
        "pushNotifications": _FLAG,
        "extensions": _Field("AgentExtension", many=True),
        "extendedAgentCard": _FLAG,
    },
    "AgentExtension": {"uri": _text(), "description": _text(), "required": _FLAG, "params": _STRUCT},
    "AgentSkill": {
        "id": _NEED,
        "name": _NEED,
        "description": _NEED,
        "tags": _texts(required=True),
        "examples": _texts(),
        "inputModes": _texts(),
        "outputModes": _texts(),
        "securityRequirements": _REQUIREMENTS,
    },
    "AgentCardSignature": {"protected": _NEED, "signature": _NEED, "header": _STRUCT},
    "SecurityRequirement": {"schemes": _Field("StringList", mapped=True)},
    "StringList": {"list": _texts()},
    "SecurityScheme": {
        "apiKeySecurityScheme": _Field("APIKeySecurityScheme", choice="scheme"),
        "httpAuthSecurityScheme": _Field("HTTPAuthSecurityScheme", choice="scheme"),
        "oauth2SecurityScheme": _Field("OAuth2SecurityScheme", choice="scheme"),
        "openIdConnectSecurityScheme": _Field("OpenIdConnectSecurityScheme", choice="scheme"),
        "mtlsSecurityScheme": _Field("MutualTlsSecurityScheme", choice="scheme"),
    },
    "APIKeySecurityScheme": {"description": _text(), "location": _NEED, "name": _NEED},
    "HTTPAuthSecurityScheme": {"description": _text(), "scheme": _NEED, "bearerFormat": _text()},
    "OAuth2SecurityScheme": {
        "description": _text(),
        "flows": _Field("OAuthFlows", required=True),
        "oauth2MetadataUrl": _text(),
    },
    "OpenIdConnectSecurityScheme": {"description": _text(), "openIdConnectUrl": _NEED},
    "MutualTlsSecurityScheme": {"description": _text()},
    "OAuthFlows": {
        "authorizationCode": _Field("AuthorizationCodeOAuthFlow", choice="flow"),
        "clientCredentials": _Field("ClientCredentialsOAuthFlow", choice="flow"),
        "implicit": _Field("ImplicitOAuthFlow", choice="flow"),
        "password": _Field("PasswordOAuthFlow", choice="flow"),
        "deviceCode": _Field("DeviceCodeOAuthFlow", choice="flow"),
    },
    "AuthorizationCodeOAuthFlow": {
        "authorizationUrl": _NEED,
        "tokenUrl": _NEED,
        "refreshUrl": _text(),
        "scopes": _SCOPES,
        "pkceRequired": _FLAG,
    },
    "ClientCredentialsOAuthFlow": {"tokenUrl": _NEED, "refreshUrl": _text(), "scopes": _SCOPES},
    "ImplicitOAuthFlow": {
        "authorizationUrl": _text(),
        "refreshUrl": _text(),
        "scopes": _Field("text", mapped=True),
    },
    "PasswordOAuthFlow": {"tokenUrl": _text(), "refreshUrl": _text(), "scopes": _Field("text", mapped=True)},
    "DeviceCodeOAuthFlow": {
        "deviceAuthorizationUrl": _NEED,
        "tokenUrl": _NEED,
        "refreshUrl": _text(),
        "scopes": _SCOPES,
    },
}


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def check(message: str, data: dict[str, Any], path: str) -> None:
    """Check a parsed object against a message, and what it holds against theirs.

    Raises:
        RecordRefused: the first field, in the order of the definition, that breaks it.
    """
    chosen: dict[str, str] = {}
    for name, field in _MESSAGES[message].items():
        at = f"{path}.{name}" if path else name
        spellings = {name, _snake(name)}
        given = [data[spelling] for spelling in sorted(spellings) if data.get(spelling) is not None]
        if len(given) > 1:
            raise RecordRefused(at, "is given twice, in camelCase and in snake_case")
        if not given:
            if field.required:
                raise RecordRefused(at, "is missing; A2A 1.0 requires it")
            continue
        if field.choice and chosen.setdefault(field.choice, name) != name:
            raise RecordRefused(at, f"and {chosen[field.choice]} exclude each other")
        _check_field(field, given[0], at)


def _check_field(field: _Field, value: Any, at: str) -> None:
    if field.many:
        if not isinstance(value, list):
            raise RecordRefused(at, "is not a list")
        items = [(item, f"{at}[{index}]") for index, item in enumerate(value)]
    elif field.mapped:
        if not isinstance(value, dict):
            raise RecordRefused(at, "is not an object")
        items = [(item, f"{at}[{key[:50]}]") for key, item in value.items()]
    else:
        items = [(value, at)]
    if not items and field.required:
        raise RecordRefused(at, "is empty; A2A 1.0 requires an item")
    alone = not field.many and not field.mapped
    for item, place in items:
        _check_value(field.type, item, place, required=field.required and alone)


def _check_value(kind: str, value: Any, at: str, *, required: bool) -> None:
    if kind == "text":
        if not isinstance(value, str):
            raise RecordRefused(at, "is not a text")
        if required and not value.strip():
            raise RecordRefused(at, "is empty; A2A 1.0 requires it")
    elif kind == "flag":
        if not isinstance(value, bool):
            raise RecordRefused(at, "is not true or false")
    elif not isinstance(value, dict):
        raise RecordRefused(at, "is not an object")
    elif kind != "struct":
        check(kind, value, at)
