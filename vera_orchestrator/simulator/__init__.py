"""A stand-in for LLM providers on loopback: Ollama, and the shapes of OpenAI, Anthropic and Gemini.

It understands nothing and says so everywhere: each response has the header `x-simulated`, each answer begins with
`[simulated]`. Run it as `python -m vera_orchestrator.simulator`, or inside a program with `running.serving`. Nothing
else in the library imports this package at import time.

settings.py      what can be set; also the flags of the command
conversation.py  the one form that all shapes are read into: what is asked, what is answered, what it costs
answers.py       what is answered: echo, fixed, scripted, by a tool call, or by schema (example.py)
faults.py        what goes wrong, and when
simulator.py     the state: counters, the record of requests, loaded models
exchange.py      the way of one request through all of this
wire.py          bytes: frames, pauses, cut connections
*_request.py     one file per provider: its requests, read from a form (form.py)
*_shape.py       one file per provider: its responses, errors and headers, in the types of its official client
*_routes.py      where requests go
server.py        the app; running.py serves it, command.py is the command
"""
