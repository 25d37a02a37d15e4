// Package functions holds what the Azure Functions host sees of the airlock: one folder for each function with its
// function.json, embedded, so that the binary knows which functions it is deployed with.
//
// It promises that Names and Files come from the same folders that are packaged. It holds no behaviour.
package functions

import (
	"embed"
	"io/fs"
	"path"
)

//go:embed */function.json
var folders embed.FS

// The functions, named as their folders are: the host posts an invocation to the path of that name.
const (
	API           = "Api"           // httpTrigger: everything below the route prefix
	StatusChanged = "StatusChanged" // serviceBusTrigger: nudges
	BlobCreated   = "BlobCreated"   // eventGridTrigger: Microsoft.Storage.BlobCreated
	ScanResult    = "ScanResult"    // eventGridTrigger: Microsoft.Security.MalwareScanningResult
	Sweep         = "Sweep"         // timerTrigger: the safety net
)

// The names of the trigger bindings in the function.json files.
const (
	MessageBinding = "message"
	EventBinding   = "event"
	TimerBinding   = "timer"
)

// Files returns every folder with its function.json.
func Files() fs.FS { return folders }

// Names returns the name of every function that is packaged, sorted.
func Names() []string {
	files, err := fs.Glob(folders, "*/function.json")
	if err != nil {
		panic("functions: the pattern is fixed: " + err.Error())
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = path.Dir(f)
	}
	return names
}
