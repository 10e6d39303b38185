package record

import "errors"

// Account is what a record holds and whether it adds up; `ansturm inspect --json` prints it.
type Account struct {
	Dir      string         `json:"dir"`
	Complete bool           `json:"complete"`
	Ledger   LedgerAccount  `json:"ledger"`
	Lab      *LabComparison `json:"lab,omitempty"`
	Shots    int64          `json:"shots"`
	Windows  int            `json:"windows"`
	Events   int            `json:"events"`
	Gaps     int            `json:"gaps"`
	// MissingMinutes are the minutes of the run (from 0) of which no window is there although arrivals were due.
	MissingMinutes []int `json:"missingMinutes,omitempty"`
	// Problems say what is missing or does not add up; empty when all is well.
	Problems []string `json:"problems"`
	Valid    bool     `json:"valid"`
}

// LedgerAccount are the ledger's counts. Missing = Total − the sum of the others; it is more than 0 only for a killed run.
type LedgerAccount struct {
	Total         int64 `json:"total"`
	Completed     int64 `json:"completed"`
	Failed        int64 `json:"failed"`
	Indeterminate int64 `json:"indeterminate"`
	Unsent        int64 `json:"unsent"`
	Missing       int64 `json:"missing"`
	Overlaps      int64 `json:"overlaps"`
}

// LabComparison holds the ledger against the lab's own log, as sets.
type LabComparison struct {
	Accepted                int64 `json:"accepted"`
	Duplicates              int64 `json:"duplicates"`
	CompletedNotAccepted    int64 `json:"completedNotAccepted"`    // must be 0
	AcceptedNotCompleted    int64 `json:"acceptedNotCompleted"`    // each failed or indeterminate
	AcceptedWithoutFate     int64 `json:"acceptedWithoutFate"`     // must be 0
	AcceptedUnsent          int64 `json:"acceptedUnsent"`          // must be 0
	DuplicatesBeyondReloads int64 `json:"duplicatesBeyondReloads"` // must be 0
	Agrees                  bool  `json:"agrees"`
}

// Account reads everything and says whether it adds up.
func (r *Record) Account() (*Account, error) { return nil, errors.New("record: not built yet") }
