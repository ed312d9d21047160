"""Write tiny.aedat4, 200 events of a camera of 12 x 10 pixels: pip install dv-processing, then run this here."""

import dv_processing as dv

events = dv.EventStore()
for k in range(200):
    events.push_back(1_700_000_000_000_000 + 1000 * k, k % 12, k % 10, k % 3 == 0)
writer = dv.io.MonoCameraWriter(
    "tiny.aedat4", dv.io.MonoCameraWriter.EventOnlyConfig("made for a test", (12, 10))
)
writer.writeEvents(events)
