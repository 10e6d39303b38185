package record

// Shard is the recorder of one goroutine at a time: an engine that fires from several threads gives each its own.
type Shard struct{ w *Writer }

// Shard gives a new recorder of this record.
func (w *Writer) Shard() *Shard { return &Shard{w} }

// Sample records one shot.
func (s *Shard) Sample(x Sample) { s.w.Sample(x) }

// Fate records where an arrival ended; called once an arrival.
func (s *Shard) Fate(seq uint32, f Fate) { s.w.Fate(seq, f) }

// Created records what the run made at its target. Its Value is copied.
func (s *Shard) Created(c Created) { s.w.Created(c) }
