-- One row per as_of and customer with orders before it: every order metric over every window that somebody asks for.

{{ metric_table_windows('orders') }}
