-- name: card
-- The card of an agent, as it came in.
-- returns: maybe
-- seals: agent_cards.content
select agent_id, media_type, content
from agent_cards
where tenant_id = %(tenant)s and agent_id = %(agent)s;
