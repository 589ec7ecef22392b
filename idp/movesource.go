package idp

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// CheckOrphans reports what the store keeps of people whose source is not configured. Most often the source
// was renamed, and its people would have to set up their factors anew.
func (g *Gateway) CheckOrphans(ctx context.Context) []Finding {
	kept, err := g.store.KeptBySource(ctx)
	if err != nil {
		return []Finding{{Level: LevelError, Where: "store", What: "what it keeps cannot be counted: " + err.Error(), Cure: "see the log of the gateway"}}
	}
	var out []Finding
	for _, source := range slices.Sorted(maps.Keys(kept)) {
		if k := kept[source]; g.origins[source] == nil {
			out = append(out, Finding{
				Level: LevelWarning, Where: "store",
				What: fmt.Sprintf("it keeps %d enrollments, %d devices and %d sessions of people of a source %q, which there is not", k.Enrollments, k.Devices, k.Sessions, source),
				Cure: fmt.Sprintf("if the source was renamed: caddy gatehouse user move-source %s NEW", source),
			})
		}
	}
	return out
}

// MoveSource gives what is kept of one source's people to those of another, which has the same people under
// the same ids: the source was renamed. The other way round it is undone.
func (g *Gateway) MoveSource(ctx context.Context, from, to, by string) (Kept, error) {
	switch {
	case g.origins[to] == nil:
		return Kept{}, fmt.Errorf("no source is named %q: %w", to, ErrNotFound)
	case g.origins[from] != nil:
		return Kept{}, fmt.Errorf("source %q is still configured: %w", from, ErrTaken)
	}
	moved, err := g.store.MoveSource(ctx, from, to)
	if err != nil {
		return Kept{}, err
	}
	detail := fmt.Sprintf("%s to %s: %d enrollments, %d devices, %d sessions", from, to, moved.Enrollments, moved.Devices, moved.Sessions)
	if err := g.note(ctx, Event{Kind: EventAdmin, Reason: "source_moved", Source: to, Detail: clip(detail), By: by}); err != nil {
		return moved, fmt.Errorf("done, but %w", err)
	}
	return moved, nil
}
