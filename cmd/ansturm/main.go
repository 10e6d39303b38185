// Command ansturm replays a surge against tenant services, records how the platform reacts, and plans for the next one.
package main

func main() {}
