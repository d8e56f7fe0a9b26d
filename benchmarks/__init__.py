"""Benchmarks: the service beside its floor and its peers, interleaved on one machine.

    bodies     what is sent, and what must come back
    subjects   who answers: a command, an environment, the bodies it takes
    processes  processor time and memory of a process tree, from the operating system
    load       wrk or autocannon, for one window
    measure    rounds over the subjects, medians over the rounds
    targets    the ratios to reach
    report     the table, the picture and docs/performance.md

The service is reached over HTTP only, as a client would.
"""
