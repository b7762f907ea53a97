"""The server's side of the four protocols, and of OpenAI's older completions: no input or output.

Requests are read; answers, streams and errors are written. Each module has `read_request`, `wants_stream`,
`render_response`, `render_error` and a writer of streams; what they share is in `reading` and `writing`. What a request
says that has no meaning at other vendors is left out.
"""
