// Package interop runs the binaries against stock Hypercore peers, versions 11 and 10, in both directions.
//
// The peers are tests/peers/peer.js, and drive.js for stock Hyperdrive 13, one process each, controlled line by line. They need node and `npm ci` in tests/peers;
// without them the tests are skipped, with a warning, unless HC_REQUIRE_INTEROP is set, which makes that a failure.
//
// Tests that also run packages of lib in this process are in separate files, which CI also runs with the race detector.
package interop
