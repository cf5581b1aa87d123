package gateway

import (
	"net/http"

	"github.com/fhirgate/fhirgate/internal/fhir"
)

// The gateway's refusals. Their text is fixed: it can't quote what is hidden.
var (
	errNotSupported = fhir.Refuse(http.StatusNotImplemented, "not-supported", fhir.IssueNotSupported, "This interaction isn't passed by this gateway.")
	errLogin        = fhir.Refuse(http.StatusUnauthorized, "login-required", fhir.IssueLogin, "A bearer token is needed.")
	errPolicy       = fhir.Refuse(http.StatusForbidden, "policy-unusable", fhir.IssueForbidden, "Policy gave no usable decision, so the request is denied.")
	errJudgement    = fhir.Refuse(http.StatusInternalServerError, "judgement-failed", fhir.IssueException, "Policy gave no usable judgement of a resource, so the whole answer is withheld.")
	errMask         = fhir.Refuse(http.StatusInternalServerError, "mask-failed", fhir.IssueException, "A resource couldn't be masked, so the whole answer is withheld.")
	errState        = fhir.Refuse(http.StatusServiceUnavailable, "state-unavailable", fhir.IssueTransient, "The gateway's own state can't be reached.")
	errAudit        = fhir.Refuse(http.StatusServiceUnavailable, "audit-unavailable", fhir.IssueTransient, "The request can't be recorded as policy demands, so it isn't answered.")
	errRate         = fhir.Refuse(http.StatusTooManyRequests, "rate-limited", fhir.IssueThrottled, "Too many requests; try again later.")
	errVolume       = fhir.Refuse(http.StatusTooManyRequests, "quota-exhausted", fhir.IssueThrottled, "The daily volume is used up.")
	errScans        = fhir.Refuse(http.StatusTooManyRequests, "too-many-searches", fhir.IssueThrottled, "Too many searches of this caller are running at the same time.")

	// errAbsent is the answer for what isn't there, was deleted, or may not be
	// seen: the same bytes for each (R4 security.html, access denied response
	// handling).
	errAbsent = fhir.Refuse(http.StatusNotFound, "not-found", fhir.IssueNotFound, "There is no such resource.")

	errUnavailable     = fhir.Refuse(http.StatusBadGateway, "upstream-unavailable", fhir.IssueTransient, "The FHIR server behind can't be reached.")
	errUpstreamSlow    = fhir.Refuse(http.StatusGatewayTimeout, "upstream-timeout", fhir.IssueTimeout, "The FHIR server behind didn't answer in time.")
	errUpstreamAnswer  = fhir.Refuse(http.StatusBadGateway, "upstream-answer", fhir.IssueException, "The FHIR server behind gave an answer that can't be used.")
	errUpstreamRefused = fhir.Refuse(http.StatusBadGateway, "upstream-refused", fhir.IssueException, "The FHIR server behind doesn't accept the gateway.")
	errRejected        = fhir.Refuse(http.StatusUnprocessableEntity, "upstream-rejected", fhir.IssueProcessing, "The FHIR server behind doesn't accept the resource.")
	errSearchRejected  = fhir.Refuse(http.StatusBadRequest, "search-rejected", fhir.IssueProcessing, "The FHIR server behind doesn't accept the search.")
	errUnknownOutcome  = fhir.Refuse(http.StatusBadGateway, "write-outcome-unknown", fhir.IssueTransient, "The FHIR server behind gave no answer: the change may or may not have been made.")

	errTooCostly = fhir.Refuse(http.StatusForbidden, "too-costly", fhir.IssueTooCostly, "The search reads too many resources; narrow it and try again.")
	errMaskedKey = fhir.Refuse(http.StatusForbidden, "search-on-masked-element", fhir.IssueForbidden, "The search or its order uses an element that is masked for this caller.")
	errPage      = fhir.Refuse(http.StatusBadRequest, "bad-page-link", fhir.IssueInvalid, "The page link wasn't made for this caller by this gateway.")
	errPageGone  = fhir.Refuse(http.StatusGone, "page-link-expired", fhir.IssueExpired, "The page link has expired; search again.")

	errBody        = fhir.Refuse(http.StatusBadRequest, "bad-resource", fhir.IssueStructure, "The body isn't one well-formed JSON object in UTF-8 without repeated keys.")
	errBodyType    = fhir.Refuse(http.StatusBadRequest, "wrong-resource-type", fhir.IssueInvalid, "The resource's type differs from that in the URL.")
	errBodyID      = fhir.Refuse(http.StatusBadRequest, "wrong-id", fhir.IssueInvalid, "The resource's id differs from that in the URL.")
	errPlaceholder = fhir.Refuse(http.StatusUnprocessableEntity, "masked-placeholder", fhir.IssueProcessing, "The resource holds placeholders of masked elements, which can't be stored.")
	errHidden      = fhir.Refuse(http.StatusUnprocessableEntity, "masked-element-changed", fhir.IssueProcessing, "The resource gives a value to an element that is masked for this caller.")
	errAmbiguous   = fhir.Refuse(http.StatusUnprocessableEntity, "merge-ambiguous", fhir.IssueProcessing, "The change can't be merged with masked elements without guessing: change items of masked lists in place, or add at their end.")
	errNeedMatch   = fhir.Refuse(http.StatusPreconditionRequired, "if-match-required", fhir.IssueRequired, "Elements of the resource are masked for this caller, so the update must name the version that it is made from in If-Match.")
	errStale       = fhir.Refuse(http.StatusPreconditionFailed, "version-conflict", fhir.IssueConflict, "The resource has changed since that version.")
	errRace        = fhir.Refuse(http.StatusNotImplemented, "if-match-not-honoured", fhir.IssueNotSupported, "The FHIR server behind can't make this change safe against concurrent ones, so it isn't passed.")
	errIfMatch     = fhir.Refuse(http.StatusBadRequest, "bad-if-match", fhir.IssueInvalid, `If-Match takes one entity tag such as W/"3".`)
	errConflict    = fhir.Refuse(http.StatusConflict, "conflict", fhir.IssueConflict, "The FHIR server behind reports a conflict with what is stored.")
	errSubscribe   = fhir.Refuse(http.StatusNotImplemented, "subscription-not-supported", fhir.IssueNotSupported, "Subscriptions aren't passed: the FHIR server behind would send what policy hides.")
)
