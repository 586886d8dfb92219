package app

import (
	"optgate/gateway/meta"
	"optgate/pipeline/media"
	"optgate/pipeline/template"
)

// openGraph opens the door to Meta, which connects when it is used, and the libraries of templates and files behind it.
func (a *App) openGraph() {
	a.graph = meta.NewGraph(a.config.Meta.GraphURL, a.tokens())
	a.crew.onStop(a.graph.Close)
	a.templates = &template.Library{Directory: a.directory, Graph: a.graph, Conditions: a.store, Logger: a.log}
	a.media = &media.Library{
		Shards: a.shards, Directory: a.directory, States: a.store, Publisher: soundly{a}, Chunks: a.bus, Graph: a.graph, Logger: a.log,
	}
	a.crew.onStop(a.media.Close)
}
