package fhir

// The methods and statuses of HTTP that the parsing of requests needs. They
// stand here because the core doesn't import net/http, which does I/O.
const (
	methodGet    = "GET"
	methodPost   = "POST"
	methodPut    = "PUT"
	methodDelete = "DELETE"
	methodPatch  = "PATCH"

	statusBadRequest       = 400
	statusNotFound         = 404
	statusMethodNotAllowed = 405
	statusNotAcceptable    = 406
	statusNotImplemented   = 501
)
