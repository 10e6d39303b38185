package record

import (
	"errors"
	"time"
)

// Repair finishes a killed run's record in place: cuts half lines and frames, accounts arrivals without a fate as
// indeterminate (their worker died), writes metrics.om. Idempotent.
func Repair(dir string, now time.Time) error { return errors.New("record: not built yet") }
