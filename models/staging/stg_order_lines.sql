{{ loaded_rows('order_lines') }}
