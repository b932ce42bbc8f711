//go:build !race

package packlog_test

const stride = 1
