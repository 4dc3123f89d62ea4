"""Small programs that run in the sandbox, each a file of its own that needs only the standard library.

A program reads one JSON object from standard input and writes one to standard output: `{"value": …}`, or
`{"field": NAME, "error": TEXT}` where one of its inputs is wrong.
"""
