package config

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// format checks a string and says what it should look like.
type format struct {
	ok   func(string) bool
	want string
}

func formats() map[string]format {
	return map[string]format{
		"url":      {isURL, "an http or https URL without user, query or fragment"},
		"issuer":   {isIssuer, "an http or https URL without user, query or fragment, and {tenant} as its only template"},
		"base":     {isBase, "a path such as /fhir, or an http or https URL, in clean form"},
		"hostport": {isHostPort, "host:port"},
		"name":     {name.MatchString, "a name of at most 32 lower-case letters, digits and -, beginning with a letter"},
		"path":     {isPath, "a path"},
		"newpath":  {isPath, "a path"},
	}
}

var name = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// isIssuer is a URL that may hold {tenant}, and no other template.
func isIssuer(s string) bool {
	s = strings.ReplaceAll(s, "{tenant}", "tenant")
	return isURL(s) && !strings.ContainsAny(s, "{}")
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil &&
		u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" && !strings.Contains(s, "#")
}

// isBase refuses every path that could be read in two ways.
func isBase(s string) bool {
	p := s
	if !strings.HasPrefix(s, "/") {
		if !isURL(s) {
			return false
		}
		u, err := url.Parse(s)
		if err != nil {
			return false
		}
		p = u.EscapedPath()
	}
	return p == "" || p == "/" || path.Clean(p) == p && basePath.MatchString(p)
}

var basePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " /") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == port
}

func isPath(s string) bool { return s != "" && !strings.ContainsRune(s, 0) }

// loopback reports whether host can only be this machine.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// plainHTTP reports whether u is http to another machine.
func plainHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "http" && !loopback(u.Hostname())
}
