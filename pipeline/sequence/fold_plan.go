package sequence

import (
	"slices"

	"optgate/pipeline/stream"
)

// Create is the body of a sequence.create.
type Create struct {
	ID       string `json:"id"`
	Outcomes int64  `json:"outcomes"` // offset in its partition of outcomes before any fact about it
	Plan     Plan   `json:"plan"`
}

// Change is the body of a sequence.change: what isn't there stays.
type Change struct {
	ID    string    `json:"id"`
	If    []string  `json:"if,omitempty"` // tags, of which the sequence must have one; none: whatever it has
	Patch PlanPatch `json:"patch"`
}

// PlanPatch is a part of a Plan. Steps of number 0 are new.
type PlanPatch struct {
	Name   *string   `json:"name,omitempty"`
	Lists  []string  `json:"lists,omitempty"`
	Quiet  *QuietSet `json:"quiet_hours,omitempty"`
	Series []Step    `json:"steps,omitempty"`
}

// SetStatus is the body of a sequence.status.
type SetStatus struct {
	ID     string   `json:"id"`
	If     []string `json:"if,omitempty"`
	Status Status   `json:"status"`
}

func (b *Create) target() string    { return b.ID }
func (b *Change) target() string    { return b.ID }
func (b *SetStatus) target() string { return b.ID }

func (b *Create) people(Ref) []string    { return nil }
func (b *Change) people(Ref) []string    { return nil }
func (b *SetStatus) people(Ref) []string { return nil }

// foldCreate makes a sequence. Its id is the request's, so that a repeat finds it.
func foldCreate(d *desk, b *Create) error {
	if d.there {
		return d.say(d.ref.ID)
	}
	d.q = Sequence{V: stream.Version, ID: d.ref.ID, Account: d.ref.Account, Status: Active, Version: d.Offset + 1, Swept: d.Offset + 1,
		Created: d.command.Made, Changed: d.command.Made, Plan: PlanPatch{Series: b.Plan.Series}.Apply(b.Plan)}
	d.number(d.q.Series)
	d.sums = Sums{V: stream.Version, Folded: b.Outcomes}
	if err := d.keep(); err != nil {
		return err
	}
	if err := d.count(); err != nil {
		return err
	}
	return d.say(d.ref.ID)
}

// number gives new steps their numbers.
func (d *desk) number(steps []Step) {
	for i := range steps {
		if steps[i].No == 0 {
			d.q.Given++
			steps[i].No = d.q.Given
		}
	}
}

// foldChange changes what was planned. From here on no step leaves as it was before: whoever decides steps names the version that
// it looked at. Those who wait get their new times from the runner's sweep.
func foldChange(d *desk, b *Change) error {
	switch {
	case !d.there:
		return d.unknown()
	case d.q.Status == Deleted:
		return d.refuse(CodeWrongStatus, "A deleted sequence can't be changed.")
	case !matches(b.If, d.q.Tag()):
		return d.stale()
	}
	for _, step := range b.Patch.Series {
		if _, known := d.q.Step(step.No); step.No != 0 && !known {
			return d.refuse(CodeUnknownStep, "The sequence has no step %d. Leave out the id of a step that is new.", step.No)
		}
	}
	b.Patch.apply(&d.q.Plan)
	d.number(d.q.Series)
	d.q.Version, d.q.Changed = d.Offset+1, d.command.Made
	if err := d.keep(); err != nil {
		return err
	}
	return d.say(d.ref.ID)
}

// apply changes a plan. The steps are copied: a command's body is not written into.
func (p PlanPatch) apply(to *Plan) {
	if p.Name != nil {
		to.Name = *p.Name
	}
	if p.Lists != nil {
		to.Lists = p.Lists
	}
	if p.Quiet != nil {
		to.Quiet = p.Quiet.Hours
	}
	if p.Series != nil {
		to.Series = slices.Clone(p.Series)
	}
}

// Apply gives the plan as it would be.
func (p PlanPatch) Apply(to Plan) Plan {
	p.apply(&to)
	return to
}

// foldStatus pauses a sequence, lets it go on, or deletes it.
func foldStatus(d *desk, b *SetStatus) error {
	switch {
	case !d.there:
		return d.unknown()
	case !matches(b.If, d.q.Tag()):
		return d.stale()
	case d.q.Status == b.Status:
		return d.say(d.ref.ID)
	case d.q.Status == Deleted:
		return d.refuse(CodeWrongStatus, "A deleted sequence stays so.")
	}
	switch d.q.Status, d.q.Changed = b.Status, d.command.Made; b.Status {
	case Active:
		d.q.Resumed = d.command.Made
	case Deleted:
		d.q.Ended = d.command.Made
	}
	if err := d.keep(); err != nil {
		return err
	}
	return d.say(d.ref.ID)
}

func (d *desk) stale() error {
	return d.refuse(CodeStale, "The sequence was changed meanwhile: read it again, and send its new ETag as If-Match.")
}

// matches says whether one of the tags is meant, none meaning any.
func matches(tags []string, tag string) bool { return len(tags) == 0 || slices.Contains(tags, tag) }
