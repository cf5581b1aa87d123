package idp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
)

const rsaBits = 2048

// signingKey is a private key with its id, the RFC 7638 thumbprint.
type signingKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   crypto.Signer
}

// newKey makes a key for RS256 or ES256.
func newKey(algorithm jose.SignatureAlgorithm) (signingKey, error) {
	var private crypto.Signer
	var err error
	switch algorithm {
	case jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return signingKey{}, fmt.Errorf("algorithm %q: want RS256 or ES256", algorithm)
	}
	if err != nil {
		return signingKey{}, fmt.Errorf("make a signing key: %w", err)
	}
	return identify(private)
}

// identify gives a private key its id and algorithm.
func identify(private crypto.Signer) (signingKey, error) {
	key := signingKey{private: private, algorithm: jose.ES256}
	if _, ok := private.(*rsa.PrivateKey); ok {
		key.algorithm = jose.RS256
	}
	thumbprint, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return signingKey{}, fmt.Errorf("identify a signing key: %w", err)
	}
	key.id = base64.RawURLEncoding.EncodeToString(thumbprint)
	return key, nil
}

// public returns the key as it is published.
func (k signingKey) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(k.algorithm), Use: "sig"}
}

// keyFile is where keys are kept in Options.KeyDir: PKCS #8 in PEM, the signing one first.
const keyFile = "signing-keys.pem"

// loadKeys reads the keys kept in dir, or makes one and keeps it there.
func loadKeys(dir string, algorithm jose.SignatureAlgorithm) ([]signingKey, error) {
	if dir != "" {
		text, err := os.ReadFile(filepath.Join(dir, keyFile))
		if err == nil {
			return parseKeys(text)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the signing keys: %w", err)
		}
	}
	key, err := newKey(algorithm)
	if err != nil {
		return nil, err
	}
	return []signingKey{key}, saveKeys(dir, []signingKey{key})
}

func parseKeys(text []byte) ([]signingKey, error) {
	var keys []signingKey
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("signing key %d: %w", len(keys), err)
		}
		private, ok := parsed.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("signing key %d cannot sign", len(keys))
		}
		key, err := identify(private)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("the file of signing keys has none")
	}
	return keys, nil
}

// saveKeys keeps the keys in dir, if there is one.
func saveKeys(dir string, keys []signingKey) error {
	if dir == "" {
		return nil
	}
	var text []byte
	for _, key := range keys {
		der, err := x509.MarshalPKCS8PrivateKey(key.private)
		if err != nil {
			return fmt.Errorf("keep the signing keys: %w", err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep the signing keys: %w", err)
	}
	path := filepath.Join(dir, keyFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("keep the signing keys: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("keep the signing keys: %w", err)
	}
	return nil
}
