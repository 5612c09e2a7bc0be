// Package check is what the Go client programs share: how checks are run and printed (see programs.ts).
package check

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"runtime"
	"strings"
	"time"
)

// Slow is minutes of work in little memory, checked for interrupts at each row: what the cancel checks interrupt.
const Slow = "select count(*) from generate_series(1, 30000) a, generate_series(1, 30000) b"

// What the server under test is; see Target in programs.ts.
var (
	URL         = os.Getenv("EDGEWIRE_URL")
	HasPassword = os.Getenv("EDGEWIRE_PASSWORD") == "1"
	DirectTLS   = os.Getenv("EDGEWIRE_DIRECT_TLS") == "1"
	NoTLS       = os.Getenv("EDGEWIRE_NO_TLS") == "1"

	after   = os.Getenv("EDGEWIRE_AFTER")
	only    = os.Getenv("EDGEWIRE_CHECK")
	started = after == ""
)

// limit is below the time after which programs.ts takes a silent program for hung.
const limit = 38 * time.Second

type failure string

// Run runs one check and prints its outcome. The context ends with the check.
func Run(name string, body func(context.Context)) {
	if !started {
		started = name == after
		return
	}
	if !strings.Contains(name, only) {
		return
	}
	fmt.Println("start " + name)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if reason := attempt(ctx, body); reason == "" {
		fmt.Println("ok " + name)
	} else {
		fmt.Println("FAIL " + name + ": " + strings.ReplaceAll(reason, "\n", " | "))
	}
}

func attempt(ctx context.Context, body func(context.Context)) (reason string) {
	defer func() {
		if caught := recover(); caught != nil {
			reason = fmt.Sprint(caught)
			if _, expected := caught.(failure); !expected {
				reason = fmt.Sprintf("panic: %v", caught)
			}
		}
	}()
	body(ctx)
	return ""
}

// Fail ends the check.
func Fail(format string, values ...any) {
	panic(failure(fmt.Sprintf(format, values...) + place()))
}

// OK fails the check when there is an error.
func OK(err error) {
	if err != nil {
		Fail("%v", err)
	}
}

// Must returns the value, or fails the check.
func Must[T any](value T, err error) T {
	OK(err)
	return value
}

// True fails the check, saying what is wrong, unless the condition holds.
func True(condition bool, what string) {
	if !condition {
		Fail("%s", what)
	}
}

// Equal fails the check unless both are deeply equal.
func Equal(actual, expected any) {
	if !reflect.DeepEqual(actual, expected) {
		Fail("value is %s, expected %s", short(actual), short(expected))
	}
}

func short(value any) string {
	text := fmt.Sprintf("%#v", value)
	if len(text) > 300 {
		return fmt.Sprintf("%s... (%d characters)", text[:300], len(text))
	}
	return text
}

// place names the line of the check that failed: checks are closures, what they call is not.
func place() string {
	for depth := 2; ; depth++ {
		counter, file, line, ok := runtime.Caller(depth)
		if !ok {
			return ""
		}
		name := runtime.FuncForPC(counter).Name()
		if strings.HasSuffix(file, "/main.go") && strings.Contains(name, ".func") {
			return fmt.Sprintf(" (line %d)", line)
		}
	}
}

// With returns a URL with some of its query parameters set: name, value, ...
func With(base string, pairs ...string) string {
	parsed := Must(url.Parse(base))
	query := parsed.Query()
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	parsed.RawQuery = query.Encode()
	return parsed.String()
}

// WithPassword returns a URL with another password.
func WithPassword(base, password string) string {
	parsed := Must(url.Parse(base))
	parsed.User = url.UserPassword(parsed.User.Username(), password)
	return parsed.String()
}

// WithDatabase returns a URL with another database.
func WithDatabase(base, database string) string {
	parsed := Must(url.Parse(base))
	parsed.Path = "/" + database
	return parsed.String()
}
