"""A viewing log whose truth is known.

The statistical model (its parameters: config.toml; its derivation and limits: docs/simulator.md). For viewer
u, title i and episode e, with phi the standard normal, all draws independent:

- engagement_u ~ Beta; E_u is it in standard deviations. Taste_u ~ symmetric Dirichlet over the catalogue's
  commonest tags. Channel, favourite device: by share. Sign-up at a Beta-distributed position in the log.
- Leaving: a constant hazard h_u = h * exp(-a E_u) * ratio(channel), so time from sign-up to leaving is
  exponential. Nothing is watched after it.
- Titles: quality Q_i = sqrt(v) * score + sqrt(1 - v) * noise, standardised over choices. Popularity is
  Zipf-Mandelbrot in the rank of score + type + status + noise. Starts are a Poisson process whose rate grows
  with E_u and follows the hours and weekdays; each chooses a title by popularity among those with a tag drawn
  from taste_u, or among all. A title chosen before is dropped.
- Completion C of a view ~ Beta with a mean that grows with E_u and Q_i.
- Continuation: logit p = intercept - dip_e + b_E E_u + b_Q Q_i + b_M (match_ui - mean) + b_C (C - centre)
  + b_W weekend, for all but the last episode. If the draw says yes, the next start comes after a pause of
  minutes (binge) or at an hour of a later day, less than 14 days on.
- The next view happens if the draw says so and the viewer has not left by then:
  p_continue = p * E[exp(-h_u * gap)].
"""

from ingest.making.viewing.shards import SimulatedLog, write_viewing_log
from ingest.making.viewing.world import SimulationOptions

__all__ = ["SimulatedLog", "SimulationOptions", "write_viewing_log"]
