package bankd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestUntilTheNextTick(t *testing.T) {
	const deadline = time.Second
	for gone, want := range map[time.Duration]time.Duration{
		0: deadline, 1: deadline - 1, deadline - 1: 1, deadline: 0, deadline + 1: deadline - 1, 5*deadline + 300*time.Millisecond: 700 * time.Millisecond,
	} {
		if got := untilTick(gone, deadline); got != want {
			t.Errorf("after %v: %v, not %v", gone, got, want)
		}
	}
}

// An answer leaves at the deadline or a multiple of it, counted from when the whole body was there: neither how
// fast a body comes nor what the bank has to do shows finer than that (L3).
func TestAnswersLeaveAtMultiplesOfTheDeadline(t *testing.T) {
	w := newWorld(t)
	tenant := w.banks["0149"]
	var now time.Duration // by the clock of the test
	w.server.env.Ticks = func() time.Duration { return now }
	w.server.env.Wait = func(_ context.Context, left time.Duration) { now += left }
	deadline := tenant.bank.Policy.Deadline
	for _, c := range []struct{ arrives, works, leaves time.Duration }{
		{0, 0, deadline},
		{0, deadline / 2, deadline},
		{0, deadline, deadline},
		{0, deadline + time.Microsecond, 2 * deadline},
		{0, 3*deadline - time.Microsecond, 3 * deadline},
		{10 * deadline, deadline / 3, deadline}, // slow to come, quick to answer
		{10*deadline + deadline/2, deadline + deadline/3, 2 * deadline},
	} {
		for _, fails := range []bool{false, true} {
			now = 0
			body := io.MultiReader(strings.NewReader("code="), slowly(func() { now += c.arrives }), strings.NewReader("123456"))
			r := httptest.NewRequest(http.MethodPost, "/", body)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			answer := httptest.NewRecorder()
			err := tenant.blind(func(out http.ResponseWriter, r *http.Request) error {
				if got := r.PostFormValue("code"); got != "123456" {
					t.Errorf("the form says %q", got)
				}
				now += c.works
				if fails {
					return io.ErrUnexpectedEOF
				}
				http.Redirect(out, r, "/next", http.StatusSeeOther)
				if answer.Code != http.StatusOK || answer.Body.Len() > 0 {
					t.Error("something left before the deadline")
				}
				return nil
			})(answer, r)
			if (err != nil) != fails || !fails && answer.Code != http.StatusSeeOther {
				t.Errorf("answer %d, %v", answer.Code, err)
			}
			if left := now - c.arrives; left != c.leaves {
				t.Errorf("%+v: it left after %v", c, left)
			}
		}
	}
}

// slowly is nothing of a body that takes its time.
type slowly func()

func (s slowly) Read([]byte) (int, error) { s(); return 0, io.EOF }

// A body that breaks off, or is too long, is what the form complains about, as without the wait.
func TestABrokenBodyIsTheFormsAffair(t *testing.T) {
	w := newWorld(t)
	tenant := w.banks["0149"]
	long := url.Values{"branch": {strings.Repeat("x", 300<<10)}}.Encode()
	for name, body := range map[string]io.Reader{"too long": strings.NewReader(long), "broken": iotest.ErrReader(errors.New("gone"))} {
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		form := accountForm()
		err := tenant.blind(func(out http.ResponseWriter, r *http.Request) error {
			if form.Read(out, r) {
				t.Errorf("%s: it was read", name)
			}
			return nil
		})(httptest.NewRecorder(), r)
		if err != nil || form.Problem.EN == "" {
			t.Errorf("%s: %+v %v", name, form.Problem, err)
		}
	}
}
