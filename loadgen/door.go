package loadgen

import (
	"bytes"
	"time"
)

// A waiting room at the target's door answers in the target's place: it gives the person a cookie that keeps their place
// in the line, and says when to come again, by Retry-After or Refresh, with whatever status (real ones send 200, 202, 429
// or 503). Config.WaitingRoom names the cookie. Without the cookie in it no answer counts as a waiting room's: an
// overloaded server sends 503 with Retry-After too, and keeps nobody's place.
//
// The wait belongs to the shot, as redirects do: it goes on when the person is to come again, with the place, and is
// one sample from its first Due to its last Done. Patience is for those who were let in; who waits stays.

const (
	// leastPause keeps a room that says 0 seconds from being asked without end, mostPause what cannot be meant.
	leastPause = 1
	mostPause  = 24 * 3600
)

// toldToWait says whether an answer is the waiting room's, and how long (platform time) until the person is to come
// again. A place that it gives is the person's from now on.
func (s *shard) toldToWait(v *visit, p *parser) (pause time.Duration, waits bool) {
	room := s.e.cfg.WaitingRoom
	if room == "" {
		return 0, false
	}
	given := false
	p.headerValues("set-cookie", func(value []byte) bool {
		pair, _, _ := bytes.Cut(value, []byte(";"))
		pair = trimSpace(pair)
		if name, _, ok := bytes.Cut(pair, []byte("=")); ok && string(trimSpace(name)) == room {
			v.turn, given = append(v.turn[:0], pair...), true
		}
		return !given
	})
	if !given {
		return 0, false
	}
	for _, name := range [...]string{"retry-after", "refresh"} {
		p.headerValues(name, func(value []byte) bool {
			pause, waits = seconds(value)
			return false
		})
		if waits {
			return pause, true
		}
	}
	return 0, false
}

// seconds reads the whole seconds that a value begins with, as in "20" and "20; url=/wait"; a date is none.
func seconds(value []byte) (time.Duration, bool) {
	value = trimSpace(value)
	n, digits := 0, 0
	for digits < len(value) && value[digits] >= '0' && value[digits] <= '9' {
		n = min(n*10+int(value[digits]-'0'), mostPause)
		digits++
	}
	if digits == 0 || digits < len(value) && value[digits] != ';' && value[digits] != ',' && value[digits] != ' ' {
		return 0, false
	}
	return time.Duration(max(n, leastPause)) * time.Second, true
}

// standInLine has v come again after a pause, with the same shot.
func (s *shard) standInLine(v *visit, now, pause time.Duration) {
	s.count.knocks.Add(1)
	due := s.e.platform(now) + pause
	waited := v.waited + due - v.due
	s.aim(v, due)
	v.waited = waited
	s.start(v)
}

// appendPlace writes the person's place, where no jar does.
func (v *visit) appendPlace(dst []byte) []byte {
	if len(v.turn) == 0 {
		return dst
	}
	return append(append(append(dst, "Cookie: "...), v.turn...), "\r\n"...)
}
