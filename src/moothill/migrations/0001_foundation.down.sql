alter default privileges grant execute on functions to public;
drop schema moothill cascade;
drop schema mt cascade;
