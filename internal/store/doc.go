// Package store keeps the gateway's durable state: participant links, keys that
// all replicas share, quota counters and review events. SQLite is a file for one
// process (or a few on one machine); PostgreSQL is shared by many replicas. Both
// behave alike: package storetest holds what that means and runs on both.
//
// Only this package and those below it may import a database driver.
package store
