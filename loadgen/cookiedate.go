package loadgen

import "time"

// cookieDate reads a date as servers write them into cookies, in whatever format (RFC 6265, 5.1.1): the first parts
// that look like a time, a day of the month, a month and a year, in any order.
func cookieDate(text []byte) (unix int64, ok bool) {
	var clock [3]int
	var hasClock bool
	day, month, year := -1, -1, -1
	for len(text) > 0 {
		var token []byte
		token, text = dateToken(text)
		switch {
		case len(token) == 0:
		case !hasClock && readClock(token, &clock):
			hasClock = true
		case day < 0 && leadingNumber(token, 1, 2) >= 0:
			day = leadingNumber(token, 1, 2)
		case month < 0 && monthOf(token) > 0:
			month = monthOf(token)
		case year < 0 && leadingNumber(token, 2, 4) >= 0:
			year = leadingNumber(token, 2, 4)
		}
	}
	switch {
	case year >= 70 && year <= 99:
		year += 1900
	case year >= 0 && year <= 69:
		year += 2000
	}
	if !hasClock || day < 1 || month < 1 || year < 1601 || clock[0] > 23 || clock[1] > 59 || clock[2] > 59 {
		return 0, false
	}
	at := time.Date(year, time.Month(month), day, clock[0], clock[1], clock[2], 0, time.UTC)
	return at.Unix(), at.Day() == day // 31 February is no day
}

// dateToken cuts the next run of characters that part nothing.
func dateToken(text []byte) (token, rest []byte) {
	from := 0
	for from < len(text) && partsDates(text[from]) {
		from++
	}
	to := from
	for to < len(text) && !partsDates(text[to]) {
		to++
	}
	return text[from:to], text[to:]
}

func partsDates(c byte) bool {
	return c == '\t' || c >= ' ' && c <= '/' || c >= ';' && c <= '@' || c >= '[' && c <= '`' || c >= '{' && c <= '~'
}

// leadingNumber is the number that token begins with; −1 where it has not least to most digits.
func leadingNumber(token []byte, least, most int) int {
	n, digits := 0, 0
	for _, c := range token {
		if c < '0' || c > '9' {
			break
		}
		if digits++; digits > most {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	if digits < least {
		return -1
	}
	return n
}

// readClock reads hh:mm:ss, each of one or two digits, and ignores what follows.
func readClock(token []byte, into *[3]int) bool {
	var clock [3]int
	for i := range clock {
		n := leadingNumber(token, 1, 2)
		if n < 0 {
			return false
		}
		for len(token) > 0 && token[0] >= '0' && token[0] <= '9' {
			token = token[1:]
		}
		if clock[i] = n; i < 2 {
			if len(token) == 0 || token[0] != ':' {
				return false
			}
			token = token[1:]
		}
	}
	*into = clock
	return true
}

// monthOf is 1 to 12 for a token that begins with an English month, else 0.
func monthOf(token []byte) int {
	const months = "janfebmaraprmayjunjulaugsepoctnovdec"
	if len(token) < 3 {
		return 0
	}
	for m := range 12 {
		if hasPrefixFold(token, months[3*m:3*m+3]) {
			return m + 1
		}
	}
	return 0
}
