"""Logging in through an OpenID provider: authorization code with PKCE, state and nonce; the ID token is verified in full.

OpenID Connect Core 1.0, 3.1.3.7. django-allauth trusts a token that came straight from the provider over TLS and sends
no nonce; here signature, issuer, audience, authorised party, times and nonce are all checked, whatever the way.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any

import jwt
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from requests import RequestException

from central.people.access import open_to_all
from central.people.adapters import SocialAccountAdapter

ALGORITHMS = ("RS256", "PS256", "ES256")
"""Signatures with the provider's key alone; never `none`, never one made with a shared secret."""

LEEWAY_S = 60


class Adapter(OpenIDConnectOAuth2Adapter):
    """One log-in's talk with the provider."""

    nonce = ""

    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says of itself, if it is the one we named."""
        try:
            found: dict[str, Any] = super().openid_config
        except ValueError as error:
            raise OAuth2Error("the provider's configuration is no JSON") from error
        if found.get("issuer") != self.get_provider().app.settings["server_url"]:
            raise OAuth2Error("the provider calls itself by another name")
        return found

    def complete_login(self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """The person whom a verified ID token names."""
        id_token = kwargs["response"].get("id_token")
        if not isinstance(id_token, str):
            raise OAuth2Error("the provider sent no ID token")
        claims = self._decode_id_token(app, id_token)
        return self.get_provider().sociallogin_from_response(request, {"id_token": claims})

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                id_token,
                key=self._key_of(id_token),
                algorithms=list(ALGORITHMS),
                audience=app.client_id,
                issuer=self.openid_config["issuer"],
                leeway=LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
            raise OAuth2Error(f"the ID token is not valid: {type(error).__name__}") from error
        if not self.nonce or not hmac.compare_digest(
            str(claims.get("nonce", "")).encode(), self.nonce.encode()
        ):
            raise OAuth2Error("the ID token was made for another log-in")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", app.client_id) != app.client_id or (several and "azp" not in claims):
            raise OAuth2Error("the ID token was made for somebody else")
        return claims

    def _key_of(self, id_token: str) -> Any:
        header = jwt.get_unverified_header(id_token)
        if header.get("alg") not in ALGORITHMS:
            raise OAuth2Error("the ID token's signature is of no kind that counts")
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
            keys = answer.json()["keys"]
        for key in keys:
            fits = key.get("kid") == header.get("kid") and key.get("use", "sig") == "sig"
            if fits and key.get("kty") in {"RSA", "EC"}:
                return jwt.PyJWK(key, algorithm=header["alg"]).key
        raise OAuth2Error("the ID token is signed with a key that the provider does not show")


class Callback(OAuth2CallbackView):
    """The way back from the provider."""

    adapter: Adapter

    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[Any, Any]:
        state, response = super()._get_state(request, provider)
        if state is not None:
            self.adapter.nonce = state.get("nonce", "")
        return state, response


@open_to_all
@never_cache
@require_safe
def begin(request: HttpRequest, provider_id: str) -> HttpResponse:
    """To the provider, with a state, a nonce and a PKCE challenge that only this session knows.

    A link and no form: our policy lets forms go nowhere else, and a browser applies that to the redirect as well. Who is
    lured here logs in as himself, or not at all.
    """
    adapter = _adapter(request, provider_id)
    provider = adapter.get_provider()
    provider.oauth2_adapter_class = Adapter
    nonce = secrets.token_urlsafe(24)
    try:
        response: HttpResponse = provider.redirect(
            request,
            process="login",
            next_url=get_next_redirect_url(request),
            auth_params={"nonce": nonce},
            nonce=nonce,
        )
    except (RequestException, OAuth2Error, KeyError) as error:
        return _failed(request, provider, error)
    return response


@open_to_all
@never_cache
@require_safe
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Back again. What does not fit in any way ends at the door."""
    adapter = _adapter(request, provider_id)
    try:
        response: HttpResponse = Callback.adapter_view(adapter)(request)
    except (
        KeyError,
        ValueError,
        TypeError,
        jwt.PyJWTError,
    ) as error:  # an answer that no provider should give
        return _failed(request, adapter.get_provider(), error)
    return response


def _adapter(request: HttpRequest, provider_id: str) -> Adapter:
    if settings.PATROL_OIDC is None or settings.PATROL_OIDC.id != provider_id:
        raise Http404
    return Adapter(request, provider_id)


def _failed(request: HttpRequest, provider: Any, error: Exception) -> HttpResponse:
    from allauth.core.exceptions import ImmediateHttpResponse

    try:
        SocialAccountAdapter(request).on_authentication_error(request, provider, exception=error)
    except ImmediateHttpResponse as stop:
        return stop.response
    raise AssertionError("unreachable")  # pragma: no cover
