// Package peers starts the real servers that tests run against: a HAPI FHIR JPA server and a PostgreSQL cluster.
//
// Each is a process of its own on loopback, started once per test process and ended with it, however that ends. A server that runs
// already is used instead where the environment names it (see EnvHAPI and EnvPostgres), so that the packages of one test run share it:
// the command test/peers/cmd/with starts the servers, sets both variables and runs a command.
//
// What a server needs and does not find (Java, Maven, the PostgreSQL programs) fails the test; nothing is skipped.
package peers
