-- One row per as_of and customer with sessions before it: every session metric over every window that somebody asks for.

{{ metric_table_windows('sessions') }}
