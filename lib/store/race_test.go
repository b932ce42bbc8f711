//go:build race

package store

// racing says that tests run under the race detector, which makes a sync.Pool forget at random.
const racing = true
