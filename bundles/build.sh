#!/bin/sh
# Builds a policy bundle: build.sh REVISION OUTPUT.tar.gz [FOLDER]
#
# FOLDER is a policy library, by default ../policies. Its own tests run first.
# With SIGNING_KEY=key.pem the bundle is signed (RS256).
set -eu

if [ $# -lt 2 ]; then
	echo "usage: $0 REVISION OUTPUT.tar.gz [FOLDER]" >&2
	exit 2
fi
revision=$1
case $2 in
/*) output=$2 ;;
*) output=$PWD/$2 ;;
esac
folder=${3:-$(dirname "$0")/../policies}
key=${SIGNING_KEY:+$(realpath "$SIGNING_KEY")}

cd "$folder"
opa check --strict .
opa test --timeout 60s .
# shellcheck disable=SC2086 # the key's two options, or none
opa build --bundle . --ignore '*_test.rego' --ignore '*.go' --revision "$revision" --output "$output" \
	${key:+--signing-alg RS256 --signing-key "$key"}
