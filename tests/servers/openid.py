"""A small but real OpenID provider: discovery, authorization code with PKCE, token endpoint, JWKS, RS256.

It keeps OpenID Connect Core 1.0 and RFC 7636 as far as a log-in needs them, and can be told to break one rule at a time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "street-patrol", "kept-in-a-file"


@dataclass
class Code:
    """One granted authorization."""

    redirect_uri: str
    challenge: str
    nonce: str
    subject: str


@dataclass
class OpenIDProvider:
    """`with OpenIDProvider() as city:`; whoever comes to its log-in page is `subject` at once."""

    subject: str = "s-1"
    claims: dict[str, Any] = field(default_factory=dict)
    """More claims, and wrong ones: a value of None leaves a claim out."""
    kid: str = "k1"
    sign_with: rsa.RSAPrivateKey | None = None
    algorithm: str = "RS256"
    refuses: bool = False
    said_issuer: str | None = None
    tokens: int = 0

    def __post_init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self._codes: dict[str, Code] = {}

    def __enter__(self) -> OpenIDProvider:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path == "/.well-known/openid-configuration":
                    self._json(provider.configuration())
                elif url.path == "/keys":
                    self._json(provider.keys())
                elif url.path == "/authorize":
                    self._redirect(provider.authorize(dict(parse_qsl(url.query))))
                else:
                    self._json({"error": "not_found"}, 404)

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                form = {
                    name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()
                }
                if urlsplit(self.path).path != "/token":
                    return self._json({"error": "not_found"}, 404)
                status, answer = provider.grant(form, self.headers.get("Authorization", ""))
                return self._json(answer, status)

            def _json(self, answer: Any, status: int = 200) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def _redirect(self, target: str) -> None:
                self.send_response(302)
                self.send_header("Location", target)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.said_issuer or self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def keys(self) -> dict[str, Any]:
        shown = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**shown, "kid": "k1", "use": "sig", "alg": "RS256"}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent. Asserts what a client must send."""
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["state"]) >= 16
        assert len(asked["nonce"]) >= 16
        if self.refuses:
            return f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        code = secrets.token_urlsafe(24)
        self._codes[code] = Code(asked["redirect_uri"], asked["code_challenge"], asked["nonce"], self.subject)
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def grant(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The token endpoint: each code once, to the right client, with the right verifier."""
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != f"Basic {basic}":
            return 401, {"error": "invalid_client"}
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or form.get("redirect_uri") != code.redirect_uri:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
            return 400, {"error": "invalid_grant", "error_description": "PKCE"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": code.subject,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": code.nonce,
            **self.claims,
        }
        told = {name: value for name, value in claims.items() if value is not None}
        key: Any = {"none": None, "HS256": SECRET * 3}.get(self.algorithm, self.sign_with or self.key)
        self.tokens += 1
        token = jwt.encode(told, key, algorithm=self.algorithm, headers={"kid": self.kid})
        return 200, {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": token}
