"""How far two importance maps of one grid agree, and how much of the distance is noise.

``pair``     two maps as distributions over the units that either of them reaches
``numbers``  one function a number, one table row each
``bootstrap``  maps with samples, drawn again
``result``   `Comparison` and what it holds
``compare``  the verb: `compare`
``cost``     time and memory of a run
"""
