"""How an architecture diagram gets its shape, from boxes and wires to places on a page.

- ``boxes``: what a box says, and how large that makes it; ``guides``: places, and where wires end;
- ``layering``: rows of boxes, in an order with few crossings; ``spreading``: their places in them;
- ``cutting``: rows cut into strips beside each other; ``strips``: these laid out;
  ``ushape``: a way down and a way up instead;
- ``fitting``: which level of detail, and which of these, fits a page.
"""
