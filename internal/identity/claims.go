package identity

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/smart"
)

// principal maps the claims of a verified token; participants are not set.
func (i *issuer) principal(t *token) (access.Principal, error) {
	p := access.Principal{Issuer: t.issuer, Expires: t.expires}
	var fhirUser string
	for _, claim := range []struct {
		to    *string
		paths []string
	}{
		{&p.Subject, i.claims.Subject},
		{&p.Client, i.claims.Client},
		{&p.Tenant, i.claims.Tenant},
		{&fhirUser, i.claims.FHIRUser},
		{&p.LaunchPatient, i.claims.Patient},
		{&p.LaunchEncounter, i.claims.Encounter},
	} {
		var err error
		if *claim.to, err = firstString(t.claims, claim.paths); err != nil {
			return access.Principal{}, err
		}
	}
	if p.Anonymous() {
		return access.Principal{}, fmt.Errorf("%w: neither subject nor client", ErrClaims)
	}
	p.FHIRUser = localUser(fhirUser, i.fhirBases)
	if err := i.launch(&p); err != nil {
		return access.Principal{}, err
	}
	for _, claim := range []struct {
		to    *[]string
		paths []string
	}{{&p.Roles, i.claims.Roles}, {&p.Groups, i.claims.Groups}, {&p.PurposeOfUse, i.claims.PurposeOfUse}} {
		var err error
		if *claim.to, err = allStrings(t.claims, claim.paths); err != nil {
			return access.Principal{}, err
		}
	}
	scopes, restricted, err := i.scopes(t.claims)
	p.Scopes = scopes
	// A token none of whose resource scopes can be understood was meant to be
	// restricted by them: it must not come out as one that has no scopes at all.
	p.ScopesRequired = or(i.clients[p.Client].ScopesRequired, i.scopesRequired) || restricted && len(scopes) == 0
	return p, err
}

// launch reads the launch context. It narrows what a token may do, so one that
// cannot be understood refuses the token instead of widening it.
func (i *issuer) launch(p *access.Principal) error {
	for _, launched := range []struct {
		id           *string
		resourceType string
	}{{&p.LaunchPatient, "Patient"}, {&p.LaunchEncounter, "Encounter"}} {
		id := strings.TrimPrefix(*launched.id, launched.resourceType+"/")
		if id == "" && *launched.id == "" {
			continue
		}
		if !logicalID.MatchString(id) {
			return fmt.Errorf("%w: launch context %s", ErrClaims, launched.resourceType)
		}
		*launched.id = id
	}
	return nil
}

// logicalID is FHIR's id (R4 datatypes.html#id).
var logicalID = regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`)

// localUser returns a fhirUser claim as a relative reference, or "" when it names
// no person or role (SMART 2.2, "Scopes for requesting identity data") of this
// upstream. A user of another server must not become the one with the same id here.
func localUser(claim string, bases []string) string {
	reference := claim
	if strings.Contains(claim, ":") {
		reference = ""
		for _, base := range bases {
			if rest, ok := strings.CutPrefix(claim, strings.TrimSuffix(base, "/")+"/"); ok && isHTTP(base) {
				reference = rest
			}
		}
	}
	resourceType, id, found := strings.Cut(reference, "/")
	switch resourceType {
	case "Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person":
	default:
		return ""
	}
	if !found || !logicalID.MatchString(id) {
		return ""
	}
	return reference
}

// isHTTP reports whether text is an absolute http(s) URL.
func isHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}

// scopes reads the SMART scopes of a token: strings with spaces between, or
// arrays with one scope each. It reports whether there was any that has the
// beginnings of a resource scope, be it one or not.
func (i *issuer) scopes(claims []byte) (scopes []smart.Scope, restricted bool, err error) {
	for _, path := range i.claims.Scopes {
		value := gjson.GetBytes(claims, path)
		var texts []string
		switch {
		case value.Type == gjson.Null:
		case value.Type == gjson.String:
			texts = strings.Split(value.Str, " ")
		default:
			if texts, err = allStrings(claims, []string{path}); err != nil {
				return nil, false, err
			}
		}
		for _, text := range texts {
			text = i.scopeText(text)
			restricted = restricted || resourceScope.MatchString(text)
			for _, scope := range parseScopeValue(text) {
				if !slices.ContainsFunc(scopes, func(s smart.Scope) bool { return s.Text == scope.Text }) {
					scopes = append(scopes, scope)
				}
			}
		}
	}
	return scopes, restricted, nil
}

// resourceScope is how a SMART resource scope begins, in any case.
var resourceScope = regexp.MustCompile(`(?i)^(patient|user|system)/`)

// dottedScope is a resource scope with dots for what Entra ID does not allow: its
// context, and a type or all. Other names, such as user.impersonation, are not meant.
var dottedScope = regexp.MustCompile(`^(patient|user|system)\.(all|[A-Z][A-Za-z]*)(\..*)$`)

// parseScopeValue parses exactly one scope. A value with a space inside is none:
// cut in two, its first half could grant more than the whole.
func parseScopeValue(text string) []smart.Scope {
	if strings.Contains(text, " ") {
		return nil
	}
	scopes, _ := smart.ParseScopes(text)
	return scopes
}

// scopeText returns the SMART spelling of a scope as the issuer spells it.
func (i *issuer) scopeText(value string) string {
	if mapped, ok := i.scopeMap[value]; ok {
		return mapped
	}
	if !i.dottedScopes {
		return value
	}
	part := dottedScope.FindStringSubmatch(value)
	if part == nil {
		return value
	}
	if part[2] == "all" {
		part[2] = smart.AnyType
	}
	return part[1] + "/" + part[2] + part[3]
}

// firstString returns the string at the first of paths that the claims have; an
// array of one string counts as that string. Null counts as absent.
func firstString(claims []byte, paths []string) (string, error) {
	for _, path := range paths {
		value := gjson.GetBytes(claims, path)
		if value.IsArray() {
			if items := value.Array(); len(items) == 1 {
				value = items[0]
			}
		}
		switch {
		case value.Type == gjson.Null:
		case value.Type == gjson.String && value.Str != "":
			return value.Str, nil
		default:
			return "", fmt.Errorf("%w: %s is not one string", ErrClaims, path)
		}
	}
	return "", nil
}

// allStrings returns the strings at all paths, without repeats: a string, or
// arrays of strings at any depth. An object counts as its code, as IHE IUA has
// it for purposes of use ({"system": ..., "code": ...}).
func allStrings(claims []byte, paths []string) ([]string, error) {
	var all []string
	for _, path := range paths {
		var ok bool
		if all, ok = appendStrings(all, gjson.GetBytes(claims, path)); !ok {
			return nil, fmt.Errorf("%w: %s is not an array of strings", ErrClaims, path)
		}
	}
	return all, nil
}

func appendStrings(all []string, value gjson.Result) ([]string, bool) {
	if value.IsObject() {
		value = value.Get("code")
		if value.Type != gjson.String {
			return nil, false
		}
	}
	switch {
	case value.Type == gjson.Null:
		return all, true
	case value.Type == gjson.String:
		if value.Str != "" && !slices.Contains(all, value.Str) {
			all = append(all, value.Str)
		}
		return all, true
	case value.IsArray():
		ok := true
		value.ForEach(func(_, item gjson.Result) bool {
			all, ok = appendStrings(all, item)
			return ok
		})
		return all, ok
	default:
		return nil, false
	}
}
