"""What a router tells of itself: figures, events, the recent requests, and the interface that all of it is read by."""
