package app

import (
	"optgate/gateway/meta"
	"optgate/pipeline/template"
)

// openGraph opens the door to Meta, which connects when it is used, and what is remembered of Meta's templates.
func (a *App) openGraph() {
	a.graph = meta.NewGraph(a.config.Meta.GraphURL, a.tokens())
	a.crew.onStop(a.graph.Close)
	a.templates = &template.Library{Directory: a.directory, Graph: a.graph, Conditions: a.store, Logger: a.log}
}
