// Package identity turns a bearer token into an access.Principal.
//
// A token is a JWT of one of the issuers configured for the upstream that the
// request is for, signed with an asymmetric algorithm by a key that the issuer
// publishes (OpenID Connect Discovery, RFC 7517), for an audience that is this
// upstream and no other. go-oidc does discovery, signature and issuer; this
// package adds what it leaves out: strict JSON, bounded key fetching, audience
// lists, clock skew, the kind of token, and the mapping of claims.
//
// # What kind of token
//
// An ID token tells an application who signed in; it must not open an API. The
// two kinds are told apart by these facts, in this order:
//
//   - The JOSE header typ is at+jwt (RFC 9068): an access token. JWT or absent:
//     look further. Anything else (logout+jwt, dpop+jwt, ...): refused.
//   - The claim typ, which Keycloak sets: Bearer is an access token; ID, Refresh,
//     Offline and everything else are refused. The claim token_use, which Amazon
//     Cognito sets, likewise: access or refused.
//   - A marker of the issuer: Entra ID puts appidacr (v1) or azpacr (v2) into
//     access tokens, how the application proved itself, and never into ID tokens.
//     Its roles and groups are in both and prove nothing; aud may equal azp when
//     an application calls its own API, so that proves nothing either.
//   - Otherwise nonce, at_hash, c_hash, s_hash (OpenID Connect Core 2 and 3.3.2.11) or an aud
//     which is only the client itself say that it is an ID token: refused.
//   - Otherwise a scope or scp claim says that it is an access token. Without one
//     it is refused, unless require_access_token_marker is off for the issuer.
//
// Tokens bound to a key (cnf, RFC 7800; DPoP and mutual TLS) are refused, since
// taking one without its proof would undo the binding.
//
// # Imports
//
// The package is an adapter: it may import access, smart and fhir, no other
// adapter, and no policy. It keeps no goroutine of its own.
package identity
